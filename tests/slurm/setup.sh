#!/bin/sh
# A SLURM of one node on this machine, for the tests: Debian's packages, with all it writes in FOLDER.
#
#   tests/slurm/setup.sh start FOLDER    needs root; afterwards SLURM_CONF=FOLDER/slurm.conf makes it a shell's own
#   tests/slurm/setup.sh stop FOLDER
#
# Exit status 3: cannot be set up here, with a line on standard error that says why.
set -eu

cannot() {
    echo "$1" >&2
    exit 3
}

install_packages() {
    command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null && return
    command -v apt-get >/dev/null || cannot "no SLURM here, and no apt-get to install it"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge >"$folder/apt.log" 2>&1 ||
        { apt-get update && apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge; } \
            >>"$folder/apt.log" 2>&1 || cannot "Debian's packages of SLURM cannot be installed: $(tail -n 1 "$folder/apt.log")"
}

# Memory is not shared out and nothing is confined (no cgroups), so that it works in a container, too.
configure() {
    node=$(hostname -s)
    cat >"$folder/slurm.conf" <<END
ClusterName=tests
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$folder/munge.socket
SlurmctldPort=26817
SlurmdPort=26818
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
JobRequeue=1
SchedulerParameters=bf_interval=5,sched_interval=5
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo) State=UNKNOWN
PartitionName=tests Nodes=$node Default=YES MaxTime=INFINITE State=UP
END
    mkdir -p "$folder/state" "$folder/spool"
    head -c 1024 /dev/urandom >"$folder/munge.key"
    chmod 600 "$folder/munge.key"
}

start() {
    [ "$(id -u)" = 0 ] || cannot "setting up SLURM needs root"
    mkdir -p "$folder"
    install_packages
    configure
    export SLURM_CONF="$folder/slurm.conf"
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munged.seed" || cannot "munged does not start"
    slurmctld || cannot "slurmctld does not start: $(tail -n 1 "$folder/slurmctld.log")"
    slurmd || cannot "slurmd does not start: $(tail -n 1 "$folder/slurmd.log")"
    for _ in $(seq 60); do
        [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && exit 0
        sleep 1
    done
    cannot "the node is not idle after a minute: $(sinfo --noheader 2>&1); $(tail -n 1 "$folder/slurmd.log")"
}

# Only what this folder's start has started.
stop() {
    for name in slurmd slurmctld munged; do
        [ -f "$folder/$name.pid" ] && kill "$(cat "$folder/$name.pid")" 2>/dev/null || true
    done
}

[ $# = 2 ] || cannot "usage: $0 start|stop FOLDER"
folder=$2
case $1 in
start) start ;;
stop) stop ;;
*) cannot "usage: $0 start|stop FOLDER" ;;
esac
