<%@ page session="false" import="jakarta.websocket.*, jakarta.websocket.server.*"
%><%--
	Nothing but tags: after the upgrade not a blank may be written to the response.
--%><%!
	public static class Echo extends Endpoint {
		public Echo() {
		}

		@Override
		public void onOpen(Session session, EndpointConfig config) {
			session.setMaxTextMessageBufferSize(1 << 20);
			session.addMessageHandler(String.class, text -> {
				try {
					session.getBasicRemote().sendText(text);
				} catch (java.io.IOException e) {
					throw new java.io.UncheckedIOException(e);
				}
			});
		}

		@Override
		public void onError(Session session, Throwable error) {
			error.printStackTrace();
		}
	}
%><%
	var container = (ServerContainer) application.getAttribute(ServerContainer.class.getName());
	container.upgradeHttpToWebSocket(request, response,
		ServerEndpointConfig.Builder.create(Echo.class, "/websocket.jsp").build(), java.util.Map.of());
%><%--
--%>