/* The native class: what it does is said in tls-native.d.ts. */
export class NativeTLS @ "xs_tls_destructor" {
  constructor(serverName, protocols, revocation, minimum, maximum, inputBuffer, fragment, earliest, latest, key, session, ems, tickets, anchors, lists, chain) @ "xs_tls";
  feed(bytes) @ "xs_tls_feed";
  feedEnd() @ "xs_tls_feed_end";
  drain(buffer) @ "xs_tls_drain";
  read(buffer) @ "xs_tls_read";
  write(bytes) @ "xs_tls_write";
  readable() @ "xs_tls_readable";
  writable() @ "xs_tls_writable";
  step(anchors, lists, chain) @ "xs_tls_step";
  end() @ "xs_tls_end";
  close() @ "xs_tls_close";
  status() @ "xs_tls_status";
  session() @ "xs_tls_session";
  number(which) @ "xs_tls_number";
  text(which) @ "xs_tls_text";
}
export function configuration() @ "xs_tls_configuration";
