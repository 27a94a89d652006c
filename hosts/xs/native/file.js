/* Native functions of the host program: what they do is said in file.d.ts. */
export function folder(path) @ "xs_file_folder";
export function read(path) @ "xs_file_read";
export function map(path) @ "xs_file_map";
export function write(path, bytes, cut) @ "xs_file_write";
export function ensure(path, size, fresh) @ "xs_file_ensure";
export function remove(path) @ "xs_file_remove";
export function size(path) @ "xs_file_size";
export function access(path, offset, bytes, writing) @ "xs_file_access";
