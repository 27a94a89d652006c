/* What a device team imports as `sealwire/tls`. */
export * from "sealwire/src/tls/index";
