/* What a device team imports as `sealwire/storage`. */
export * from "sealwire/src/storage/index";
