/* check BOARD INDEX: the smallest check that can be measured. Notes when it began, ends with the verdict
 * that the driver has set for it, and notes when. Without arguments: ends with 0 at once.
 */
#include "bare.h"
#include "board.h"

void bare_main(int argc, char **argv)
{
    struct record r = {.kind = CHECK};
    struct board *b;

    if (argc < 3)
        return;
    r.t0 = bare_now();
    b = bare_board(argv[1]);
    for (const char *s = argv[2]; *s; s++)
        r.index = r.index * 10 + (unsigned)(*s - '0');
    r.pid = (unsigned)sys(SYS_getpid, 0, 0, 0, 0, 0, 0);
    r.status = b->verdict[r.index % BOARD_VERDICTS];
    r.t1 = bare_now();
    board_add(b, r);
    bare_exit(r.status);
}
