/** MQTT over WebSocket, for networks that let nothing else through: an optional room. */
export { WebSocketTransport, type WebSocketTransportOptions } from "./websocket-transport.js";
