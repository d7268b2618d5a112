package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// account is a control group that counts the CPU time of everything in this
// machine, and nothing else.
var account string

// joinGroup puts this process, and all that it starts, into the group.
func joinGroup() {
	const mount = "/mnt/cpuacct"
	os.MkdirAll(mount, 0o755)
	if exec.Command("mount", "-t", "cgroup", "-o", "cpuacct", "none", mount).Run() != nil {
		return // the whole machine is counted
	}
	group := filepath.Join(mount, fmt.Sprintf("load%d", time.Now().UnixNano()))
	if os.Mkdir(group, 0o755) != nil {
		return
	}
	if os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0) == nil {
		account = filepath.Join(group, "cpuacct.usage")
	}
}

// cpu is the CPU time used so far.
func cpu() time.Duration {
	if account != "" {
		b, _ := os.ReadFile(account)
		n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		return time.Duration(n)
	}
	f := strings.Fields(stat("cpu"))
	var ticks int64
	for i, field := range f {
		if i != 3 && i != 4 { // idle, waiting
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// switches is the number of context switches of the machine so far.
func switches() float64 {
	n, _ := strconv.ParseFloat(strings.TrimSpace(stat("ctxt")), 64)
	return n
}

func stat(name string) string {
	f, err := os.Open("/proc/stat")
	must(err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return rest
		}
	}
	return ""
}

// measure runs f and says what each of n messages cost.
func measure(n int, f func()) map[string]float64 {
	c, x, t := cpu(), switches(), time.Now()
	f()
	elapsed := time.Since(t)
	return map[string]float64{
		"msg/s":        float64(n) / elapsed.Seconds(),
		"ms CPU/msg":   float64(cpu()-c) / 1e6 / float64(n),
		"switches/msg": (switches() - x) / float64(n),
	}
}

// stages are the programs whose calls are counted one by one.
var stages = []string{"smtpd", "cleanup", "qmgr", "trivial-rewrite", "discard", "smtp", "local", "postlogd", "master", "anvil"}

// perStage counts system calls and switches of each program while f runs.
func perStage(n int, values map[string]float64, f func()) {
	if _, err := exec.LookPath("perf"); err != nil {
		f()
		return
	}
	args := []string{"stat", "-x,", "-a", "-o", "/tmp/perf.txt"}
	for _, name := range stages {
		args = append(args, "-e", "raw_syscalls:sys_enter", "--filter", `comm == "`+name+`"`,
			"-e", "sched:sched_switch", "--filter", `prev_comm == "`+name+`"`)
	}
	cmd := exec.Command("perf", append(args, "sleep", "1000")...)
	if cmd.Start() != nil {
		f()
		return
	}
	time.Sleep(300 * time.Millisecond) // perf has no signal for "counting"
	f()
	exec.Command("pkill", "-INT", "-P", strconv.Itoa(cmd.Process.Pid)).Run()
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	readPerf(n, values)
}

func readPerf(n int, values map[string]float64) {
	text, _ := os.ReadFile("/tmp/perf.txt")
	var calls, switched float64
	i := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		f := strings.Split(line, ",")
		if len(f) < 3 || !strings.Contains(line, ":s") {
			continue
		}
		count, err := strconv.ParseFloat(f[0], 64)
		if err != nil || i/2 >= len(stages) {
			continue
		}
		count /= float64(n)
		name := stages[i/2]
		if i%2 == 0 {
			calls += count
			name += " calls/msg"
		} else {
			switched += count
			name += " switches/msg"
		}
		if count >= 0.05 {
			values[name] = count
		}
		i++
	}
	if calls > 0 {
		values["suite calls/msg"], values["suite switches/msg"] = calls, switched
	}
}

func dialable(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 3)
	n, _ := c.Read(b)
	fmt.Fprintf(c, "QUIT\r\n")
	return n > 0
}

// drained reports whether nothing is on its way.
func drained() bool {
	for _, q := range []string{"incoming", "active", "maildrop"} {
		d, err := os.Open(filepath.Join(queueDir, q))
		if err != nil {
			continue
		}
		names, _ := d.Readdirnames(1)
		d.Close()
		if len(names) > 0 {
			return false
		}
	}
	return true
}

// memory returns the private memory, in KB, of all processes of the suite.
func memory() float64 {
	var sum float64
	procs, _ := filepath.Glob("/proc/[0-9]*/smaps_rollup")
	for _, p := range procs {
		exe, err := os.Readlink(filepath.Join(filepath.Dir(p), "exe"))
		if err != nil || !strings.Contains(exe, "postfix") {
			continue
		}
		text, _ := os.ReadFile(p)
		for line := range strings.SplitSeq(string(text), "\n") {
			if strings.HasPrefix(line, "Pss:") {
				n, _ := strconv.ParseFloat(strings.Fields(line)[1], 64)
				sum += n
			}
		}
	}
	return sum
}
