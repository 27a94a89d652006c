/* What a device team imports as `sealwire/transport`. */
export * from "sealwire/src/transport/index";
