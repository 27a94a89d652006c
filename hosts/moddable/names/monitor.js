/* What a device team imports as `sealwire/monitor`. */
export * from "sealwire/src/monitor/index";
