"""Calls may be interleaved and run side by side: every call's state lies in its own arena."""

import re
import shutil
import subprocess

import pytest

import folders
import plans
from embbert.emit.c99 import export_c
from embbert.quant.plan_io import load_plan
from embbert.verify.toolchain import find_compiler

COMMON = r"""
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <string.h>
#include "one.h"
#include "two.h"
#define TEXTS 4
static const char *const texts[TEXTS] = {
    "turn the lights on", "play some music", "what is the weather", "stop the lights, please stop the music"
};
static int32_t of_one[TEXTS][ONE_CLASSES], of_two[TEXTS][TWO_CLASSES];

/* Whether a text has the logits that it has when nothing else runs. */
static int ask_one(uint64_t *arena, int i)
{
    uint32_t c;
    return one_classify(arena, ONE_ARENA_BYTES, texts[i], strlen(texts[i]), &c) == EMBBERT_OK &&
           memcmp(one_logits(arena), of_one[i], sizeof of_one[i]) == 0;
}

static int ask_two(uint64_t *arena, int i)
{
    uint32_t c;
    return two_classify(arena, TWO_ARENA_BYTES, texts[i], strlen(texts[i]), &c) == EMBBERT_OK &&
           memcmp(two_logits(arena), of_two[i], sizeof of_two[i]) == 0;
}

static void learn(uint64_t *one, uint64_t *two)
{
    int i;
    for (i = 0; i < TEXTS; i++) {
        (void)ask_one(one, i);
        memcpy(of_one[i], one_logits(one), sizeof of_one[i]);
        (void)ask_two(two, i);
        memcpy(of_two[i], two_logits(two), sizeof of_two[i]);
    }
}
"""
NESTED = r"""
static uint64_t outer[ONE_ARENA_BYTES / 8], one[ONE_ARENA_BYTES / 8], two[TWO_ARENA_BYTES / 8];
static uint32_t seen, target;
static int inside, wrong;

void embbert_trace(const char *, const void *, uint32_t, uint32_t, uint32_t, uint32_t);
void embbert_trace(const char *name, const void *data, uint32_t rows, uint32_t cols, uint32_t size,
                   uint32_t first)
{
    (void)name, (void)data, (void)rows, (void)cols, (void)size, (void)first;
    if (inside || ++seen != target) {
        return;
    }
    inside = 1;
    wrong += !ask_one(one, (int)(target % TEXTS)) + !ask_two(two, (int)((target + 1u) % TEXTS));
    inside = 0;
}

int main(void)
{
    inside = 1;
    learn(one, two);
    inside = 0;
    do { /* once behind every operator of every pass */
        target++;
        seen = 0;
        wrong += !ask_one(outer, 3);
    } while (target <= seen);
    printf("%u %d\n", (unsigned)seen, wrong);
    return 0;
}
"""
THREADS = r"""
#include <pthread.h>
static uint64_t one[TEXTS][ONE_ARENA_BYTES / 8], two[TEXTS][TWO_ARENA_BYTES / 8];
static int wrong[TEXTS];
static pthread_barrier_t together;

static void *work(void *place)
{
    const int i = *(const int *)place;
    int round;
    for (round = 0; round < 8; round++) {
        (void)pthread_barrier_wait(&together);
        wrong[i] += !ask_one(one[i], (i + round) % TEXTS) + !ask_two(two[i], (i + round) % TEXTS);
    }
    return NULL;
}

int main(void)
{
    static const int numbers[TEXTS] = {0, 1, 2, 3};
    pthread_t threads[TEXTS];
    int i, sum = 0;
    learn(one[0], two[0]);
    if (pthread_barrier_init(&together, NULL, TEXTS) != 0) {
        return 2;
    }
    for (i = 0; i < TEXTS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)&numbers[i]) != 0) {
            return 2;
        }
    }
    for (i = 0; i < TEXTS; i++) {
        pthread_join(threads[i], NULL);
        sum += wrong[i];
    }
    printf("%d\n", sum);
    return 0;
}
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with two models that share the runtime."""
    place = tmp_path_factory.mktemp("reentrant")
    for prefix, settings in {"one": {}, "two": {"residual": True, "pooling": "mean"}}.items():
        folder = folders.small_folder(place / f"{prefix}-model", **settings)
        export_c(folder, load_plan(folder), place / prefix, prefix=prefix, self_test=False)
    return place


def copy(exported, place):
    for prefix in ("one", "two"):
        shutil.copytree(exported / prefix, place / "c", dirs_exist_ok=True)
    return place / "c"


def plant(path, pattern, replacement):
    changed, count = re.subn(pattern, replacement, path.read_text(), count=1)
    assert count == 1
    path.write_text(changed)


def ran(compiler, path, program, flags):
    """(exit code, words on standard output, what a sanitizer said)."""
    (path / "main.c").write_text(COMMON + program)
    sources = sorted(path.glob("*.c"))
    find_compiler(compiler).compile(sources, path / "main", ["-std=c99", "-pthread", f"-I{path}", *flags])
    done = subprocess.run([path / "main"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.split(), done.stderr


NEST = ("-O1", "-DEMBBERT_TRACE")
RACE = ("-O1", "-g", "-fsanitize=thread")


@pytest.mark.parametrize("compiler", plans.COMPILERS)
def test_calls_of_two_models_run_inside_of_another_call(exported, tmp_path, compiler):
    code, (places, wrong), _ = ran(compiler, copy(exported, tmp_path), NESTED, NEST)
    assert code == 0
    assert int(places) > 30
    assert wrong == "0"


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        # The number of rows, and the arena, kept where another call finds them.
        (r"(void run\(work \*a, uint32_t count\)\n\{)", r"\1\n    static uint32_t held;\n    held = count;"),
        (r"(void run\(work \*a, uint32_t count\)\n\{)", r"\1\n    static work *held;\n    held = a;"),
    ],
)
def test_state_outside_of_the_arena_is_found(exported, tmp_path, pattern, replacement):
    path = copy(exported, tmp_path)
    plant(path / "one.c", pattern, replacement)
    text = (path / "one.c").read_text()
    calls = "(a, count);" if "uint32_t held" in replacement else "(a, "
    held = "(a, held);" if "uint32_t held" in replacement else "(held, "
    start = text.index("held = ")
    (path / "one.c").write_text(
        text[:start] + text[start:].replace(f"run_layer1{calls}", f"run_layer1{held}")
    )
    assert held in (path / "one.c").read_text()
    _, (_, wrong), _ = ran("gcc" if shutil.which("gcc") else "clang", path, NESTED, NEST)
    assert int(wrong) > 0


def watches(compiler, place):
    """Whether this compiler's thread sanitizer works here."""
    empty = place / "empty.c"
    empty.write_text("int main(void) { return 0; }\n")
    if shutil.which(compiler) is None:
        return False
    command = [compiler, str(empty), "-fsanitize=thread", "-o", str(place / "empty")]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        return False
    return subprocess.run([place / "empty"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("compiler", plans.COMPILERS)
def test_threads_run_side_by_side(exported, tmp_path, compiler):
    if not watches(compiler, tmp_path):
        pytest.skip(f"{compiler} has no thread sanitizer that runs here")
    assert ran(compiler, copy(exported, tmp_path), THREADS, RACE) == (0, ["0"], "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "buffer"),
    [("embbert_attend.c", r"    int32_t ratio\[4"), ("embbert_embed.c", r"    int32_t sums\[")],
)
def test_a_static_buffer_is_a_race(exported, tmp_path, name, buffer):
    compiler = next((name for name in ("gcc", "clang") if watches(name, tmp_path)), None)
    if compiler is None:
        pytest.skip("no compiler has a thread sanitizer that runs here")
    path = copy(exported, tmp_path)
    plant(path / name, f"({buffer})", r"static \1")
    _, _, said = ran(compiler, path, THREADS, RACE)
    assert "WARNING: ThreadSanitizer: data race" in said
    assert name in said
