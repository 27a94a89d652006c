/* What a device team imports as `sealwire/mqtt`. */
export * from "sealwire/src/mqtt/index";
