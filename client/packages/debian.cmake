# The Debian packages, one a component, by CPack.
set(CPACK_GENERATOR DEB)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PACKAGE_NAME tilery)
set(CPACK_PACKAGE_CONTACT "Tilery developers <developers@tilery.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/staged.cmake)
set(CPACK_COMPONENTS_ALL tileryd tilery tilery-bridge libtilery0 libtilery-dev)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_BINARY_DIR})

# tilery_deb(name section depends summary description)
function(tilery_deb name section depends summary description)
  string(TOUPPER ${name} key)
  foreach(setting PACKAGE_NAME=${name} PACKAGE_SECTION=${section} "PACKAGE_DEPENDS=${depends}")
    string(REGEX MATCH "^([A-Z_]+)=(.*)$" setting "${setting}")
    set(CPACK_DEBIAN_${key}_${CMAKE_MATCH_1} "${CMAKE_MATCH_2}" PARENT_SCOPE)
  endforeach()
  set(CPACK_DEBIAN_${key}_DESCRIPTION "${summary}\n${description}" PARENT_SCOPE)
endfunction()

# tilery_service_deb(name): its maintainer scripts, and the file of its environment, which is the administrator's.
function(tilery_service_deb name)
  string(TOUPPER ${name} key)
  set(control ${CMAKE_CURRENT_BINARY_DIR}/${name}.control)
  foreach(script postinst prerm postrm)
    configure_file(${script}.in ${control}/${script} @ONLY FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
      GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
    list(APPEND files ${control}/${script})
  endforeach()
  file(WRITE ${control}/conffiles "/etc/default/${name}\n")
  set(CPACK_DEBIAN_${key}_PACKAGE_CONTROL_EXTRA ${files} ${control}/conffiles PARENT_SCOPE)
endfunction()

set(library "libtilery0 (= ${PROJECT_VERSION})")
set(sysusers "systemd | systemd-standalone-sysusers | systemd-sysusers")
set(about "Tilery computes Mandelbrot images tile by tile on real threads and
reports, for every tile, which thread computed it, when it began and how
long it took.
")
tilery_deb(tileryd net "${sysusers}" "server of tiled computations on real threads"
  "${about}\nThis is the RPC server, as a service on loopback.\n/etc/default/tileryd sets it up.")
tilery_deb(tilery net "${library}" "command line of the Tilery server"
  "${about}\nThis is the command line: it computes, renders, and asks servers how they\nare.")
tilery_deb(tilery-bridge web "${library}, ${sysusers}" "HTTP API of the Tilery server"
  "${about}\nThis serves its documented JSON over HTTP, as a service on loopback, with a
server inside or in front of others. /etc/default/tilery-bridge sets it up.")
tilery_deb(libtilery0 libs "" "client library of the Tilery server"
  "${about}\nThis is the library that programs written in C call it with.")
tilery_deb(libtilery-dev libdevel "${library}, libnng-dev, libmbedtls-dev, libprotobuf-c-dev"
  "client library of the Tilery server: headers"
  "${about}\nThis is what programs that call it are built with: headers, the static
library, files for pkg-config and CMake, and the reference.")
tilery_service_deb(tileryd)
tilery_service_deb(tilery-bridge)

# The library: what needs it depends on this package, and the loader's cache is brought up to date.
set(control ${CMAKE_CURRENT_BINARY_DIR}/libtilery0.control)
file(WRITE ${control}/shlibs "libtilery 0 libtilery0 (>= ${PROJECT_VERSION})\n")
file(WRITE ${control}/triggers "activate-noawait ldconfig\n")
# Naming scripts that are not there keeps CPack from making its own, which do once more what the trigger does.
set(CPACK_DEBIAN_LIBTILERY0_PACKAGE_CONTROL_EXTRA ${control}/shlibs ${control}/triggers
  ${control}/none/postinst ${control}/none/postrm)

set(CPACK_DEBIAN_TILERY_PACKAGE_SUGGESTS tileryd)
set(CPACK_DEBIAN_TILERY-BRIDGE_PACKAGE_SUGGESTS tileryd)

# staged.cmake finds the license with this.
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_BINARY_DIR}/project.cmake)
file(WRITE ${CPACK_PROJECT_CONFIG_FILE} "set(TILERY_SOURCE_DIR \"${PROJECT_SOURCE_DIR}\")\n")
include(CPack)
