/* What a device team imports as `sealwire/permissions`. */
export * from "sealwire/src/permissions/index";
