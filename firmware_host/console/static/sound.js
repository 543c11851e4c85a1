// What the operator hears. Every gain is scheduled ahead: a heartbeat of the pipeline holds the tones for
// DEADMAN_S, and after that the fault sounds by itself, in the audio thread, whatever has become of the page.

export const DEADMAN_S = 0.4; // s; with the road from the pipeline to here it stays below half a second
const RAMP_S = 0.008; // s, time constant: no clicks
const CONFIDENCE = { hz: 180, gain: 0.05 };
const METAL = { low: 330, high: 1000, gain: 0.3 }; // Hz at the threshold and at sixteen times it
const RADAR = { shallow: 2000, deep: 1100, full_cm: 40, gain: 0.25 }; // Hz; never within the metal tone's range
const PULSES = [2, 4, 8, 16]; // pulses a second of the four stages
const FAULT = { low: 170, high: 340, turns: 5, gain: 0.35 }; // a harsh two-tone: nothing else sounds like it
const WAITING = { hz: 110, pulses: 1, gain: 0.15 };
const TRAINING = { hz: 2700, pulses: 0.5, gain: 0.04 }; // a thin note every other second, whatever else sounds

export class Sound {
  constructor() {
    this.context = null;
    this.gains = {};
  }

  get on() {
    return this.context !== null && this.context.state === "running";
  }

  // Must be called from a touch or key: browsers let no page sound by itself.
  async start() {
    if (this.context === null) this.build(new AudioContext({ latencyHint: "interactive" }));
    await this.context.resume();
  }

  async stop() {
    if (this.context !== null) await this.context.suspend();
  }

  build(context) {
    this.context = context;
    const out = context.createDynamicsCompressor();
    out.connect(context.destination);
    const voice = (name, type, hz) => {
      const oscillator = context.createOscillator();
      oscillator.type = type;
      oscillator.frequency.value = hz;
      const gain = context.createGain();
      gain.gain.value = 0;
      oscillator.connect(gain).connect(out);
      oscillator.start();
      this.gains[name] = gain.gain;
      return { oscillator, gain };
    };
    // a slow square wave between 0 and 1 in a voice's way makes it pulse
    const pulse = (v, hz) => {
      const gate = context.createGain();
      gate.gain.value = 0.5;
      const wave = context.createOscillator();
      wave.type = "square";
      wave.frequency.value = hz;
      const half = context.createGain();
      half.gain.value = 0.5;
      wave.connect(half).connect(gate.gain);
      wave.start();
      v.gain.disconnect();
      v.gain.connect(gate).connect(out);
      return wave.frequency;
    };
    voice("confidence", "sine", CONFIDENCE.hz);
    this.metalHz = voice("metal", "triangle", METAL.low).oscillator.frequency;
    const radar = voice("radar", "sine", RADAR.shallow);
    this.radarHz = radar.oscillator.frequency;
    this.radarPulses = pulse(radar, PULSES[0]);
    pulse(voice("waiting", "triangle", WAITING.hz), WAITING.pulses);
    pulse(voice("training", "sine", TRAINING.hz), TRAINING.pulses);
    const fault = voice("fault", "square", (FAULT.low + FAULT.high) / 2);
    const turn = context.createOscillator();
    turn.type = "square";
    turn.frequency.value = FAULT.turns;
    const depth = context.createGain();
    depth.gain.value = (FAULT.high - FAULT.low) / 2;
    turn.connect(depth).connect(fault.oscillator.frequency);
    turn.start();
    this.schedule({ fault: FAULT.gain }, context.currentTime);
  }

  // A heartbeat came, with this state: sound it, and no longer than DEADMAN_S.
  beat(state) {
    if (this.context === null) return;
    const now = this.context.currentTime;
    const wanted = {};
    if (state.fault) wanted.fault = FAULT.gain;
    else if (state.kind === "not valid") wanted.waiting = WAITING.gain;
    else {
      wanted.confidence = CONFIDENCE.gain;
      if (state.metal > 0) {
        const share = Math.min(1, Math.log2(Math.max(1, state.metal)) / 4);
        wanted.metal = METAL.gain * (0.4 + 0.6 * share);
        this.metalHz.setTargetAtTime(METAL.low * (METAL.high / METAL.low) ** share, now, RAMP_S);
      }
      if (state.radar > 0) {
        const depth = state.depth_cm === null ? 0.5 : Math.min(1, state.depth_cm / RADAR.full_cm);
        wanted.radar = RADAR.gain;
        this.radarHz.setTargetAtTime(RADAR.shallow * (RADAR.deep / RADAR.shallow) ** depth, now, RAMP_S);
        this.radarPulses.setValueAtTime(PULSES[state.stage], now);
      }
    }
    if (state.training) wanted.training = TRAINING.gain;
    this.schedule(wanted, now);
  }

  schedule(wanted, now) {
    for (const [name, gain] of Object.entries(this.gains)) {
      gain.cancelScheduledValues(now);
      gain.setTargetAtTime(wanted[name] ?? 0, now, RAMP_S);
      gain.setTargetAtTime(name === "fault" ? FAULT.gain : 0, now + DEADMAN_S, RAMP_S);
    }
  }

  // What sounds now, for those who cannot hear it.
  heard() {
    if (!this.on) return {};
    return Object.fromEntries(Object.entries(this.gains).map(([name, gain]) => [name, gain.value]));
  }
}
