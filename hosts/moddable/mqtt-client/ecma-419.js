/* What ECMA-419 code imports as `embedded:network/mqtt/client`. */
export { MQTTClient as default } from "sealwire/hosts/moddable/mqtt-client/client";
