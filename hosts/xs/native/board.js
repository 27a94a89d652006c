/* Native functions of the host program: what they do is said in board.d.ts. */
export function attached() @ "xs_board_attached";
export function tell(name, event) @ "xs_board_tell";
