/** MQTT over WebSocket, for networks that let nothing else through: an optional room. */
export { WebSocketTransport, type WebSocketTransportOptions } from "./websocket-transport.js";
export {
  WebSocketClientTransport,
  type WebSocketClient,
  type WebSocketClientConstructor,
  type WebSocketClientOptions,
  type WebSocketClientTransportOptions,
} from "./websocket-client-transport.js";
