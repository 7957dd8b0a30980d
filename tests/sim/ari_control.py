# SPDX-License-Identifier: MIT
"""ari_control.py – the simulated Asterisk as a process, driven over a socket.

Each line on the control socket (AF_UNIX, SOCK_STREAM) is one JSON request and
gets one JSON line: {"ok": true, ...} or {"ok": false, "error": "..."}. Every
connection has its own thread: a request that waits holds up nobody else.

    {"cmd": "call", "exten": "3241000752", "caller": "3001234655"} -> phone
    {"cmd": "say", "phone": 0, "text": "Hola", "wait": true} -> start_ns, end_ns
    {"cmd": "play", "phone": 0, "wav": "question.wav"}
    {"cmd": "wait", "phone": 0, "state": "up", "timeout": 10}
    {"cmd": "wait_sound" | "wait_quiet", "phone": 0, "timeout": 10}
    {"cmd": "sound_after", "phone": 0, "instant_ns": 123} -> ms
    {"cmd": "phone", "phone": 0} -> all that is known of the call
    {"cmd": "hush" | "hold" | "unhold" | "hangup", "phone": 0}
    {"cmd": "mute" | "dtx", "phone": 0, "on": true}
    {"cmd": "dtmf", "phone": 0, "digits": "0"}
    {"cmd": "impair", "phone": 0, "loss": 0.01}
    {"cmd": "save", "phone": 0, "wav": "call.wav"}
    {"cmd": "connected", "app": "openai-app", "timeout": 10}
    {"cmd": "wait_no_leftovers", "timeout": 10}
    {"cmd": "status"}  {"cmd": "restart", "downtime_s": 0.5}
    {"cmd": "fault", "method": "POST", "path": "/bridges", "status": 500}
    {"cmd": "session", "method": "drop", "args": ["rst"]}
    {"cmd": "quit"}
"""
import json
import os
import pathlib
import signal
import socketserver
import threading


class Control:
    """The requests: methods named do_<cmd>(phone or sim, request)."""

    def __init__(self, sim, quit_event):
        self.sim, self.quit_event = sim, quit_event

    def answer(self, line):
        """One request line -> one answer."""
        try:
            request = json.loads(line)
            name = request.pop('cmd')
            method = getattr(self, f'do_{name}', None)
            if method is None:
                raise ValueError(f'no command {name!r}')
            if 'phone' in request:
                request['phone'] = self.sim.phones[request['phone']]
            return {'ok': True, **(method(**request) or {})}
        except Exception as error:      # told to the one who asked
            return {'ok': False, 'error': f'{type(error).__name__}: {error}'}

    # calls

    def do_call(self, **how):
        phone = self.sim.call(**how)
        return {'phone': self.sim.phones.index(phone),
                'channel': phone.channel.id}

    def do_say(self, phone, text, wait=False, voice='es'):
        return self._clip(phone.say(text, voice), wait)

    def do_play(self, phone, wav, wait=False):
        return self._clip(phone.play(pathlib.Path(wav)), wait)

    @staticmethod
    def _clip(clip, wait):
        if wait:
            clip.wait(clip.duration_ms / 1000 + 30)
        return {'start_ns': clip.start_ns, 'end_ns': clip.end_ns,
                'ms': clip.duration_ms}

    def do_wait(self, phone, state, timeout=10):
        phone.wait_for(state, timeout)
        return {'state': phone.state}

    def do_wait_sound(self, phone, start_ns=0, timeout=10):
        return {'t_ns': phone.wait_sound(start_ns, timeout)}

    def do_wait_quiet(self, phone, quiet_ms=600, timeout=30):
        phone.wait_quiet(quiet_ms, timeout)

    def do_sound_after(self, phone, instant_ns, quiet_ms=400):
        return {'ms': phone.recording.sound_after_ms(instant_ns, quiet_ms)}

    def do_phone(self, phone):
        heard = phone.recording
        return {
            'state': phone.state, 'channel': phone.channel.id,
            'cause': phone.cause, 'hung_up_by': phone.hung_up_by,
            'dialplan': phone.dialplan, 'where': phone.where,
            'started_ns': phone.started_ns, 'ringing_ns': phone.ringing_ns,
            'answered_ns': phone.answered_ns, 'ended_ns': phone.ended_ns,
            'first_sound_ns': heard.first_sound_ns(),
            'speech': heard.speech(), 'packets': len(heard.packets),
            'packets_sent': len(phone.sent), 'early': phone.early_packets,
            'lateness_ms': heard.lateness(), 'gaps': heard.gaps(),
            'history': phone.history, 'heard': phone.heard}

    def do_hush(self, phone):
        phone.hush()

    def do_hold(self, phone):
        phone.hold()

    def do_unhold(self, phone):
        phone.unhold()

    def do_mute(self, phone, on=True):
        phone.mute(on)

    def do_dtx(self, phone, on=True):
        phone.dtx(on)

    def do_dtmf(self, phone, digits, duration_ms=100):
        phone.dtmf(digits, duration_ms)

    def do_hangup(self, phone, cause=16):
        phone.hangup(cause)

    def do_impair(self, phone, **what):
        phone.impair(**what)

    def do_save(self, phone, wav):
        phone.save(wav)

    # the PBX

    def do_connected(self, app='openai-app', timeout=10):
        self.sim.wait_for(lambda: self.sim.session_of(app), timeout,
                          f'{app} connected')

    def do_wait_no_leftovers(self, timeout=10):
        self.sim.wait_for(lambda: not self.sim.leftovers(0), timeout,
                          'nothing left over')

    def do_status(self):
        sim = self.sim
        return {'violations': [list(v) for v in sim.violations],
                'unimplemented': sim.unimplemented,
                'leftovers': sim.leftovers(0),
                'requests': len(sim.requests),
                'connections': sim.connections,
                'connections_peak': sim.connections_peak,
                'continued': sim.continued, 'pong_ms': sim.pong_ms,
                'rtp_late_max_ms': sim.engine.late_max_ns / 1e6,
                'channels': list(sim.model.channels),
                'bridges': list(sim.model.bridges)}

    def do_restart(self, downtime_s=.5):
        self.sim.restart(downtime_s)

    def do_fault(self, method, path, **what):
        self.sim.fault(method, path, **what)

    def do_session(self, method, args=(), app='openai-app'):
        self.sim.with_session(method, *args, app=app)

    def do_quit(self):
        self.quit_event.set()


def settings(pairs):
    """NAME=VALUE... as a dict; values are JSON, else text."""
    found = {}
    for pair in pairs:
        name, _, value = pair.partition('=')
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def serve(args, make_sim):
    """Run until quit, SIGTERM or SIGINT."""
    ready = pathlib.Path(args.ready_file)
    path = args.control or f'{ready}.sock'
    quit_event = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: quit_event.set())
    with make_sim(port=args.port,
                  **settings(args.set)).start_in_thread() as sim:
        control = Control(sim, quit_event)

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                for line in self.rfile:
                    answer = json.dumps(control.answer(line)) + '\n'
                    self.wfile.write(answer.encode())

        pathlib.Path(path).unlink(missing_ok=True)
        with _Server(path, Handler) as server:
            threading.Thread(target=server.serve_forever, args=(.1,),
                             daemon=True).start()
            new = ready.with_name(ready.name + '.new')
            new.write_text(json.dumps({
                'host': sim.host, 'port': sim.port, 'user': sim.user,
                'password': sim.password, 'control': path,
                'pid': os.getpid()}))
            new.rename(ready)
            quit_event.wait()
            server.shutdown()
        pathlib.Path(path).unlink(missing_ok=True)
