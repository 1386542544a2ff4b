// Exceptions in flight: what is thrown, what copies and destructors allocate on the way, errors that are
// thrown anew, kept for other threads, and nested.
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static volatile size_t kept;

// Allocates while the stack is unwound.
struct Guard {
    std::string name;
    explicit Guard(int level) : name("guard of level " + std::to_string(level) + " with a long name") {}
    ~Guard() { kept = (name + " is left behind by what was thrown").size(); }
};

struct Failure : std::runtime_error {
    std::vector<std::string> trail;
    explicit Failure(int level) : std::runtime_error("failure at level " + std::to_string(level)), trail(level + 1, "a step on the way to this failure") {}
};

[[gnu::noinline]] static void fall(int level) {
    Guard guard(level);
    if (level == 0) throw Failure(7);
    if (level % 11 == 0) {
        try {
            fall(level - 1);
        } catch (...) {
            std::throw_with_nested(std::logic_error("nested at " + std::to_string(level)));
        }
    } else if (level % 7 == 0) {
        try {
            fall(level - 1);
        } catch (const std::exception &error) {
            kept = std::string(error.what()).size();
            throw;
        }
    } else {
        fall(level - 1);
    }
    kept = level;
}

[[gnu::noinline]] static size_t explain(const std::exception &error, int depth = 0) {
    std::string text = std::string(depth, ' ') + error.what();
    try {
        std::rethrow_if_nested(error);
    } catch (const std::exception &inner) {
        return text.size() + explain(inner, depth + 1);
    }
    return text.size();
}

static void work(int rounds) {
    for (int round = 0; round < rounds; round++) {
        try {
            fall(round % 40);
        } catch (const Failure &failure) {
            auto copy = std::make_unique<Failure>(failure);
            kept = copy->trail.size();
        } catch (const std::exception &error) {
            kept = explain(error);
        }
        try {
            std::vector<char>().reserve(static_cast<size_t>(-1));
        } catch (const std::length_error &error) {
            kept = std::string(error.what()).size();
        }
        try {
            std::function<void()>()();
        } catch (const std::bad_function_call &error) {
            kept = std::string(error.what()).size();
        }
    }
}

int main() {
    std::string line;
    std::cout << "ready" << std::endl;
    std::getline(std::cin, line);
    work(600);
    std::exception_ptr error;
    std::thread thrower([&] {
        try {
            fall(30);
        } catch (...) {
            error = std::current_exception();
        }
    });
    thrower.join();
    try {
        std::rethrow_exception(error);
    } catch (const std::exception &caught) {
        kept = explain(caught);
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++) threads.emplace_back(work, 100);
    for (auto &thread : threads) thread.join();
    std::cout << "done" << std::endl;
    std::getline(std::cin, line);
}
