/* What a device team imports as `sealwire`. */
export * from "sealwire/src/index";
