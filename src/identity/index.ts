/** Who a device is. */
export { clientIdentifier, type ClientIdentifierOptions } from "./client-identifier.js";
