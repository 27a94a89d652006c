/*
 * The wire to the board that started the process: what happens to the device, as lines of JSON, on a pipe of its own. Each is written at
 * once, so nothing is lost when the process ends the next moment. Without a board nothing is told.
 */
#ifndef SEALWIRE_XS_BOARD_H
#define SEALWIRE_XS_BOARD_H

#include "loop.h"

/* The network interface was switched. */
void boardNetwork(int up);

/* Of the newest TCP connection: that it begins, bytes that went, and that it ended. `connection` is only compared. */
void boardConnection(const void* connection);
void boardSent(const void* connection, size_t count);
void boardReceived(const void* connection, size_t count);
void boardConnectionEnded(xsMachine* the, const void* connection);
/* Tells what is still due, before the process ends. */
void boardFlush(xsMachine* the);

#endif
