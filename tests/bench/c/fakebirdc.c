/* fakebirdc BOARD: says what birdc says after a reconfiguration that went well, and notes when it was
 * started.
 */
#include "bare.h"
#include "board.h"

static const char said[] = "BIRD 2.0.12 ready.\nReading configuration from /etc/bird/bird.conf\nReconfigured\n";

void bare_main(int argc, char **argv)
{
    struct record r = {.kind = RECONFIGURE};

    if (argc < 2)
        bare_exit(2);
    r.t0 = bare_now();
    r.pid = (unsigned)sys(SYS_getpid, 0, 0, 0, 0, 0, 0);
    sys(SYS_write, 1, (long)said, sizeof said - 1, 0, 0, 0);
    r.t1 = bare_now();
    board_add(bare_board(argv[1]), r);
}
