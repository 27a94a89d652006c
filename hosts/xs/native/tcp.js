/* The native class of the host program: what it does is said in tcp.d.ts. */
export class Socket @ "xs_tcp_destructor" {
  constructor(options) @ "xs_tcp";
  read(target) @ "xs_tcp_read";
  write(buffer) @ "xs_tcp_write";
  close() @ "xs_tcp_close";
}
