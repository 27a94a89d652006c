/* What a device team imports as `sealwire/vault`. */
export * from "sealwire/src/vault/index";
