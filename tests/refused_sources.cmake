# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.25)
# cmake -DCOMPILER=... -DROOT=... -DWORK=... -DCOMPILER_ID=... -P refused_sources.cmake: what must not
# compile is refused with a message that says why, and its sound sibling compiles; what the compiler
# is asked to warn of, it warns of.
file(MAKE_DIRECTORY ${WORK})

# compile(expected standard source): `expected` is in the compiler's output; empty: it is content.
function(compile expected standard source)
  file(WRITE ${WORK}/source.cpp "#include <strata/strata.hpp>\n${source}\n")
  execute_process(
    COMMAND ${COMPILER} ${standard} -fsyntax-only -I ${ROOT}/include ${WORK}/source.cpp
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(expected STREQUAL "")
    if(NOT result EQUAL 0)
      message(SEND_ERROR "does not compile:\n${source}\n${output}")
    endif()
    return()
  endif()
  string(FIND "${output}" "${expected}" at)
  if(result EQUAL 0 OR at EQUAL -1)
    string(SUBSTRING "${output}" 0 2000 output)
    message(SEND_ERROR "should be refused with '${expected}':\n${source}\n${output}")
  endif()
endfunction()

compile("strata needs C++20" "-std=c++17" "")
compile("strata needs a 64-bit target" "-std=c++20;-m32" "")
# What stands in for libc++ 14: the same compiler, whose library says that it lacks something.
file(WRITE ${WORK}/lacking.hpp "#include <version>\n#undef __cpp_lib_jthread\n")
compile("strata needs std::atomic_ref" "-std=c++20;-include;${WORK}/lacking.hpp" "")
set(head "int main() { auto consumer = strata::Consumer::attach(\"a\");")
compile("" "-std=c++20"
  "#if STRATA_VERSION < 100\n#error\n#endif\n${head} auto snapshot = consumer.snapshot();
for (const auto& layer : snapshot.dimension(1)) static_cast<void>(layer); }")
compile("deleted" "-std=c++20"
  "${head} for (const auto& layer : consumer.snapshot().dimension(1)) static_cast<void>(layer); }")
compile("" "-std=c++20;-fno-exceptions" "int main() {
return strata::Consumer::attach(std::nothrow, \"a\").has_value() ? 0 : 1; }")

# refuse_each(options head line...): each line, alone on one of its own, is complained about there.
function(refuse_each options head)
  set(source "#include <strata/strata.hpp>\n${head}\n")
  foreach(line ${ARGN})
    string(APPEND source "${line};\n")
  endforeach()
  file(WRITE ${WORK}/source.cpp "${source}}\n")
  execute_process(
    COMMAND ${COMPILER} -std=c++20 ${options} -fsyntax-only -I ${ROOT}/include ${WORK}/source.cpp
    OUTPUT_VARIABLE output ERROR_VARIABLE output)
  set(number 2)
  foreach(line ${ARGN})
    math(EXPR number "${number} + 1")
    if(NOT output MATCHES "source.cpp:${number}:[0-9]+: warning")
      message(SEND_ERROR "nobody complains about '${line}'")
    endif()
  endforeach()
endfunction()

# A dropped result, where dropping it is a mistake.
set(use "void use(strata::Consumer& consumer, const strata::Snapshot& snapshot, \
strata::Layer layer, strata::Batch& batch) { (void)layer; (void)batch;")
refuse_each("-Wall" "${use}"
  "strata::Consumer::attach(\"a\")" "strata::Producer::open(\"a\")" "consumer.snapshot()"
  "consumer.generation()" "snapshot.find({1, 2})" "snapshot.get({1, 2})" "snapshot.dimension(1)"
  "layer.as<int>()" "layer.verify()" "batch.loan({1, 2}, 3)"
  "strata::changes(snapshot, snapshot)" "strata::verify(snapshot)" "strata::ReadGuard()")

# What would outlive the object that it points into, where the compiler can tell.
if(COMPILER_ID STREQUAL "Clang")
  compile("" "-std=c++20;-Werror=dangling" "${use}
auto layer1 = snapshot.find({1, 2}); auto size = consumer.snapshot().get({1, 2}).size();
std::string name = strata::Consumer::attach(\"a\").name(); }")
  refuse_each("-Wdangling" "${use}"
    "auto layer1 = consumer.snapshot().find({1, 2})" "auto layer2 = consumer.snapshot().get(1, \"a\")"
    "const std::string& name = strata::Consumer::attach(\"a\").name()"
    "auto layers = strata::ContextIndex(snapshot, 1).with_keyword(\"a\")")
endif()
