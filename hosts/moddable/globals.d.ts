/** The console of the SDK: without a line feed of its own. */
declare function trace(...text: string[]): void;
