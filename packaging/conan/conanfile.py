# SPDX-License-Identifier: Apache-2.0
"""strata for Conan 2: conan create packaging/conan. The sources are those of the checkout."""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir
from conan.tools.gnu import PkgConfigDeps


class StrataRecipe(ConanFile):
    name = "strata"
    description = "Versioned, read-mostly data shared between processes through mapped memory"
    license = "Apache-2.0"
    topics = ("shared-memory", "mmap", "ipc", "snapshots")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "shared": [True, False],
        "with_c": [True, False],
        "with_volume": [True, False],
        "with_tools": [True, False],
    }
    default_options = {"shared": False, "with_c": False, "with_volume": False, "with_tools": False}

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        text = load(self, os.path.join(self._root, "CMakeLists.txt"))
        self.version = re.search(r"^\s*VERSION (\d+\.\d+\.\d+)$", text, re.MULTILINE).group(1)

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "ipc/*", "producer/*",
                        "consumer/*", "directory/*", "volume/*", "tools/*", "bindings/*"):
            copy(self, pattern, self._root, self.export_sources_folder)

    def configure(self):
        if self.options.with_tools:  # the command exports and imports archives
            self.options.with_volume = True

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("strata runs on Linux only")
        check_min_cppstd(self, 20)

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        # Header-only and used inside .cpp files: nobody who uses strata needs them.
        self.requires("boost/[>=1.74]", headers=True, libs=False, transitive_headers=False)
        self.requires("cereal/[>=1.3]", transitive_headers=False)
        self.requires("xxhash/[>=0.8]", transitive_headers=False)
        if self.options.with_volume:
            self.requires("openssl/[>=3.0]")
            self.requires("libarchive/[>=3.4]", options={"with_zlib": True, "with_zstd": True})
            self.requires("nlohmann_json/[>=3.10]", transitive_headers=False)
        if self.options.with_tools:
            self.requires("cli11/[>=2.3]")
            self.requires("cpp-httplib/[>=0.11]")
            self.requires("ncurses/[>=6.3]")

    def generate(self):
        CMakeDeps(self).generate()
        PkgConfigDeps(self).generate()  # the command finds cpp-httplib by pkg-config
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables.update({
            "STRATA_BUILD_TESTS": False,
            "STRATA_BUILD_EXAMPLES": False,
            "STRATA_BUILD_BENCH": False,
            "STRATA_BUILD_BINDINGS": bool(self.options.with_c),
            "STRATA_BUILD_VOLUME": bool(self.options.with_volume),
            "STRATA_BUILD_TOOLS": bool(self.options.with_tools),
            "STRATA_PYTHON": "OFF",
            "STRATA_INSTALL": True,
        })
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))  # made by Conan instead

    def package_info(self):
        # Those that strata installs say more than generated ones could: components, versions.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs.append(os.path.join("lib", "cmake", "strata"))
        libraries = ["strata_producer", "strata_consumer", "strata_directory", "strata_ipc"]
        if self.options.with_volume:
            libraries.insert(0, "strata_volume")
        self.cpp_info.libs = libraries
        self.cpp_info.system_libs = ["pthread"]
