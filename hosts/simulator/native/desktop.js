/* Native functions: what they do is said in desktop.d.ts. */
export function environment(name) @ "xs_desktop_environment";
export function exit(code) @ "xs_desktop_exit";
