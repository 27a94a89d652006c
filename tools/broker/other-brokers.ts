/** Hardened settings for brokers that we do not run. */
import { usageFailure } from "../failure.js";
import type { BrokerLimits, TLSFiles } from "./mosquitto-conf.js";

export interface OtherBrokerOptions {
  readonly port: number;
  readonly bind: string;
  readonly tls: TLSFiles;
  readonly limits: BrokerLimits;
  /** Where the export of the permissions lies on the broker. */
  readonly permissionsFile: string;
}

function checkTexts(texts: readonly (string | undefined)[]): void {
  for (const text of texts)
    if (text !== undefined && (text === "" || /[\p{Cc}"\\$]/u.test(text)))
      throw usageFailure(
        `${JSON.stringify(text)} cannot stand in the configuration: it is empty, or holds quotes, backslashes, dollars or control characters.`,
      );
}

/** HOCON for EMQX 5. */
export function emqxConfiguration({ port, bind, tls, limits, permissionsFile }: OtherBrokerOptions): string {
  checkTexts([bind, tls.ca, tls.certificate, tls.key, permissionsFile]);
  const address = bind.includes(":") ? `[${bind}]:${port}` : `${bind}:${port}`;
  return `# Made by \`sealwire broker config --for emqx\`: for EMQX 5.1.1 or later. Not tried against a running EMQX.
listeners.tcp.default.enable = false
listeners.ws.default.enable = false
listeners.wss.default.enable = false
listeners.ssl.default {
  enable = true
  bind = "${address}"
  max_connections = ${limits.maximumConnections}
  ssl_options {
    cacertfile = "${tls.ca}"
    certfile = "${tls.certificate}"
    keyfile = "${tls.key}"
    verify = verify_peer
    fail_if_no_peer_cert = true
    versions = ["tlsv1.3", "tlsv1.2"]${tls.revocationList === undefined ? "" : "\n    # EMQX fetches lists from the distribution points in the certificates.\n    enable_crl_check = true"}
  }
}
mqtt {
  peer_cert_as_username = cn
  peer_cert_as_clientid = cn
  max_packet_size = ${limits.maximumPacketSize}B
  max_qos_allowed = ${limits.maximumQoS}
  max_inflight = ${limits.maximumInflight}
  max_mqueue_len = ${limits.maximumQueued}
  server_keepalive = disabled
  session_expiry_interval = ${limits.sessionExpiry}d
}
authorization {
  no_match = deny
  deny_action = disconnect
  cache { enable = false }
  sources = [
    { type = file, enable = true, path = "${permissionsFile}" }
  ]
}
`;
}

/** config.xml for HiveMQ 4. Its certificates lie in Java key stores, which \`keytool\` makes. */
export function hivemqConfiguration({ port, bind, limits }: OtherBrokerOptions): string {
  if (!/^[A-Za-z0-9.:-]+$/.test(bind)) throw usageFailure(`${bind} is no address to listen on.`);
  return `<?xml version="1.0" encoding="UTF-8" ?>
<!-- Made by \`sealwire broker config --for hivemq\`: for HiveMQ 4. Not tried against a running HiveMQ. -->
<hivemq xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <listeners>
    <tls-tcp-listener>
      <port>${port}</port>
      <bind-address>${bind}</bind-address>
      <tls>
        <protocols>
          <protocol>TLSv1.3</protocol>
          <protocol>TLSv1.2</protocol>
        </protocols>
        <keystore>
          <path>\${SEALWIRE_KEYSTORE}</path>
          <password>\${SEALWIRE_KEYSTORE_PASSWORD}</password>
          <private-key-password>\${SEALWIRE_KEYSTORE_PASSWORD}</private-key-password>
        </keystore>
        <truststore>
          <path>\${SEALWIRE_TRUSTSTORE}</path>
          <password>\${SEALWIRE_TRUSTSTORE_PASSWORD}</password>
        </truststore>
        <client-authentication-mode>REQUIRED</client-authentication-mode>
      </tls>
    </tls-tcp-listener>
  </listeners>
  <mqtt>
    <queued-messages>
      <max-queue-size>${limits.maximumQueued}</max-queue-size>
      <strategy>discard</strategy>
    </queued-messages>
    <session-expiry>
      <max-interval>${limits.sessionExpiry * 86_400}</max-interval>
    </session-expiry>
    <keep-alive>
      <allow-unlimited>false</allow-unlimited>
      <max-keep-alive>${limits.maximumKeepAlive}</max-keep-alive>
    </keep-alive>
    <packets>
      <max-packet-size>${limits.maximumPacketSize}</max-packet-size>
    </packets>
    <quality-of-service>
      <max-qos>${limits.maximumQoS}</max-qos>
    </quality-of-service>
    <receive-maximum>
      <server-receive-maximum>${limits.maximumInflight}</server-receive-maximum>
    </receive-maximum>
  </mqtt>
  <restrictions>
    <max-connections>${limits.maximumConnections}</max-connections>
  </restrictions>
  <security>
    <allow-empty-client-id><enabled>false</enabled></allow-empty-client-id>
    <utf8-validation><enabled>true</enabled></utf8-validation>
    <payload-format-validation><enabled>true</enabled></payload-format-validation>
  </security>
  <anonymous-usage-statistics><enabled>false</enabled></anonymous-usage-statistics>
</hivemq>
`;
}

/** What a device needs to know of AWS IoT Core, and what an administrator has to do there. */
export function awsConfiguration(region: string, policyFile: string): string {
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(region))
    throw usageFailure("The region must be one of AWS, such as eu-central-1.");
  checkTexts([policyFile]);
  return `# Made by \`sealwire broker config --for aws\`. AWS IoT Core has no configuration file: these commands of its own tool make the same.
# Not tried against AWS.

# The endpoint that devices connect to; its certificate chains to the Amazon roots in certs/.
aws iot describe-endpoint --region ${region} --endpoint-type iot:Data-ATS

# The permissions, made by: sealwire permissions export permissions.json --to aws --region ${region} --account ID --out ${policyFile}
aws iot create-policy --region ${region} --policy-name sealwire-device --policy-document "file://${policyFile}"

# For each device: the thing, its certificate (without the private key, which stays on the device), and what ties them together.
aws iot create-thing --region ${region} --thing-name "$DEVICE"
aws iot register-certificate --region ${region} --certificate-pem "file://$DEVICE.crt" --ca-certificate-pem file://issuing-ca.crt --status ACTIVE
aws iot attach-policy --region ${region} --policy-name sealwire-device --target "$CERTIFICATE_ARN"
aws iot attach-thing-principal --region ${region} --thing-name "$DEVICE" --principal "$CERTIFICATE_ARN"

# To keep a device out, at once and with its live connection:
aws iot update-certificate --region ${region} --certificate-id "$CERTIFICATE_ID" --new-status INACTIVE

# The device: port 8883 without ALPN, or port 443 with ALPN x-amzn-mqtt-ca; QoS 0 and 1; at most 128 KB a message.
`;
}
