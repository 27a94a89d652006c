export * from "../../../dist/src/websocket/index.js";
