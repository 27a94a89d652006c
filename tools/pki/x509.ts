/** The X.509 library, with the `reflect-metadata` that its dependency container needs loaded before it. */
import "reflect-metadata";
import * as x509 from "@peculiar/x509";

export { x509 };
