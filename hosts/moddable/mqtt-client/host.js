/* The device of this program, whatever it runs on. */
export { platform } from "sealwire/host";
