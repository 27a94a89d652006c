/**
 * Telemetry: a sensor that publishes a few readings and sleeps.
 *
 * Each wake begins here, at the top. The first connection checks the broker's certificate in a full TLS handshake; the ones after
 * it, be it after a lost network, a deep sleep or a power cut, resume. Its credentials are in a vault, which takes them from the provisioning
 * partition at the first start. With a payload secret among them, readings are sealed, so that the broker cannot read them, and what the back end
 * asks for must come sealed. When the back end says so, it renews its certificate: the new key is born here and never leaves.
 */
import { platform } from "sealwire/host";
import { Telemetry } from "./telemetry.js";

// Not awaited: an `await` at the top keeps the module's frame in the heap for as long as the firmware runs.
void new Telemetry(platform).run();
