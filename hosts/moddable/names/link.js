/* What a device team imports as `sealwire/link`. */
export * from "sealwire/src/link/index";
