/* What apps import as `mqtt`. */
export { default } from "sealwire/hosts/moddable/mqtt-classic/client";
