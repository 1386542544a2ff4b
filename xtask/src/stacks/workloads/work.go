// Go calls C, C calls Go back, from several threads.
package main

/*
#include <stdlib.h>
#include <string.h>

typedef int (*compare)(const void *, const void *);
extern int comparedInGo(void *, void *);

__attribute__((noinline)) static void *make(int size) {
    return memset(malloc(size), 0, size);
}

static int compared(const void *left, const void *right) {
    return comparedInGo((void *)left, (void *)right);
}

static void sort(int *numbers, int count) {
    qsort(numbers, count, sizeof *numbers, compared);
}
*/
import "C"

import (
	"bufio"
	"fmt"
	"os"
	"sync"
	"unsafe"
)

//export comparedInGo
func comparedInGo(left, right unsafe.Pointer) C.int {
	text := C.CString("compared")
	defer C.free(unsafe.Pointer(text))
	return *(*C.int)(left) - *(*C.int)(right)
}

//go:noinline
func deep(level int) {
	if level > 0 {
		deep(level - 1)
		return
	}
	C.free(C.make(100))
	text := C.CString("some text")
	C.free(unsafe.Pointer(text))
}

func main() {
	input := bufio.NewReader(os.Stdin)
	fmt.Println("ready")
	input.ReadString('\n')
	var all sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		all.Add(1)
		go func(worker int) {
			defer all.Done()
			for level := 0; level < 500; level++ {
				deep(level % 40)
			}
			numbers := make([]C.int, 100)
			for i := range numbers {
				numbers[i] = C.int(i * 7919 % 101)
			}
			C.sort(&numbers[0], C.int(len(numbers)))
		}(worker)
	}
	all.Wait()
	fmt.Println("done")
	input.ReadString('\n')
}
