/* Runs before the app: what an uncaught exception was is written to the console before the simulator gives up, in release builds as well. */
export default function (done) {
  globalThis.abort ??= (why, exception) => {
    trace(`${why}: ${exception}\n`);
    for (let error = exception; error instanceof Error; error = error.cause) {
      if (error !== exception) trace(`because of ${error}\n`);
      trace(`${error.stack}\n`);
    }
  };
  done();
}
