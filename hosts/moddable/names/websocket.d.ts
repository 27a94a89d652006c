export * from "../../../src/websocket/index.js";
