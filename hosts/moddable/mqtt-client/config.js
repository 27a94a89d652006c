/*
 * Registers Sealwire's client where ECMA-419 code looks for one: `device.network.mqtt`, and over TLS `device.network.mqtts`. Runs while the app is
 * built, as the SDK's own does.
 */
import "system"; // Makes `device` itself.
import { TCP } from "sealwire/hosts/moddable/tcp";
import { MQTTClient } from "sealwire/hosts/moddable/mqtt-client/client";
import { DeviceResolver } from "sealwire/hosts/moddable/mqtt-client/resolver";
import { SDKTLSSocket } from "sealwire/hosts/moddable/mqtt-client/tls-socket";

const dns = { io: DeviceResolver };

globalThis.device = Object.freeze(
  {
    ...globalThis.device,
    network: {
      ...globalThis.device?.network,
      mqtt: { io: MQTTClient, dns, socket: { io: TCP } },
      mqtts: { io: MQTTClient, dns, socket: { io: SDKTLSSocket, TCP: { io: TCP } } },
    },
  },
  // All of it, deeply: XS's own.
  true,
);
