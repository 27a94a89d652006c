export { default } from "../../../dist/hosts/moddable/mqtt-classic/client.js";
