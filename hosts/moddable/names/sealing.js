/* What a device team imports as `sealwire/sealing`. */
export * from "sealwire/src/sealing/index";
