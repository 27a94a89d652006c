/* What a device team imports as `sealwire/identity`. */
export * from "sealwire/src/identity/index";
