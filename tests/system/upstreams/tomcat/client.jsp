<%@ page contentType="text/plain" trimDirectiveWhitespaces="true" session="false" %>
<%-- Java has a long form of its own for ::1 --%>
<%= request.getRemoteAddr().replace("0:0:0:0:0:0:0:1", "::1") + " " + request.getRemotePort() %>
