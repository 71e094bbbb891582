// The shortcodes people type from habit; the picker's full data loads apart from this, on first use (CO-15).

const TABLE =
  "+1 👍|thumbsup 👍|-1 👎|thumbsdown 👎|100 💯|alarm_clock ⏰|angry 😠|arrow_down ⬇️|arrow_left ⬅️|arrow_right ➡️|arrow_up ⬆️|" +
  "beers 🍻|blush 😊|boom 💥|bug 🐛|bulb 💡|calendar 📅|cat 🐱|checkered_flag 🏁|clap 👏|coffee ☕|confused 😕|construction 🚧|" +
  "cry 😢|crossed_fingers 🤞|dog 🐶|exclamation ❗|eyes 👀|facepalm 🤦|fire 🔥|flushed 😳|frowning 😦|gear ⚙️|ghost 👻|gift 🎁|" +
  "grimacing 😬|grin 😁|grinning 😀|heart ❤️|heart_eyes 😍|heavy_check_mark ✔️|hourglass ⌛|hugs 🤗|information_source ℹ️|" +
  "innocent 😇|joy 😂|key 🔑|kiss 💋|laughing 😆|link 🔗|lock 🔒|mag 🔍|memo 📝|moon 🌙|muscle 💪|neutral_face 😐|ok 🆗|ok_hand 👌|" +
  "package 📦|palm_tree 🌴|partying_face 🥳|pencil 📝|pencil2 ✏️|pizza 🍕|point_down 👇|point_left 👈|point_right 👉|point_up ☝️|" +
  "pray 🙏|pushpin 📌|question ❓|rage 😡|rainbow 🌈|raised_hands 🙌|recycle ♻️|relaxed ☺️|relieved 😌|robot 🤖|rocket 🚀|rofl 🤣|" +
  "rotating_light 🚨|scream 😱|see_no_evil 🙈|ship 🚢|shrug 🤷|skull 💀|sleeping 😴|slightly_smiling_face 🙂|smile 😄|smiley 😃|" +
  "smirk 😏|snail 🐌|snowflake ❄️|sob 😭|sparkles ✨|star ⭐|stuck_out_tongue 😛|sun_with_face 🌞|sunglasses 😎|sweat_smile 😅|" +
  "tada 🎉|thinking 🤔|trophy 🏆|turtle 🐢|unlock 🔓|upside_down_face 🙃|v ✌️|warning ⚠️|wave 👋|white_check_mark ✅|wink 😉|wrench 🔧|" +
  "x ❌|yum 😋|zap ⚡|zzz 💤";

export const EMOJI: ReadonlyMap<string, string> = new Map(
  TABLE.split("|").map((entry): [string, string] => {
    const space = entry.indexOf(" ");
    return [entry.slice(0, space), entry.slice(space + 1)];
  }),
);
