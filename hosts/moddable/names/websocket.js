/* What a device team imports as `sealwire/websocket`. */
export * from "sealwire/src/websocket/index";
