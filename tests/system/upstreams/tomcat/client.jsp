<%@ page contentType="text/plain" trimDirectiveWhitespaces="true" session="false" %>
<%= request.getRemoteAddr() + " " + request.getRemotePort() %>
