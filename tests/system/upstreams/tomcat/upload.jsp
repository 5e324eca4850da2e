<%@ page contentType="text/plain" trimDirectiveWhitespaces="true" session="false" %>
<%
	var digest = java.security.MessageDigest.getInstance("SHA-256");
	byte[] buffer = new byte[65536];
	var body = request.getInputStream();
	for (int n; (n = body.read(buffer)) >= 0; )
		digest.update(buffer, 0, n);
%>
<%= java.util.HexFormat.of().formatHex(digest.digest()) %>
