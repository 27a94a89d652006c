/* What a device team imports as `sealwire/host`. */
export * from "sealwire/hosts/esp8266/index";
