/* What a device team imports as `sealwire/host`. */
export * from "sealwire/hosts/simulator/index";
