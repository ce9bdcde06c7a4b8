// An expression: what is to be seen on the chat's page, as data.
(() => {
    const shown = element => element !== null && element.checkVisibility({ visibilityProperty: true });
    const text = selector => {
        const element = document.querySelector(selector);
        return shown(element) ? element.innerText.trim() : "";
    };
    const texts = selector => Array.from(document.querySelectorAll(selector), element => element.innerText.trim());
    const message = item => ({
        name: item.querySelector(".head bdi").textContent,
        text: item.querySelector(".text").innerText,
        own: item.classList.contains("own"),
    });
    return {
        atDoor: shown(document.querySelector("#door")),
        doorError: text("#join-error"),
        title: text("#title"),
        state: text("#state"),
        notice: text("#notice"),
        people: texts("#people bdi"),
        messages: Array.from(document.querySelectorAll("#messages .message:not(.pending)"), message),
        pending: texts("#messages .pending .text"),
        events: texts("#messages .event bdi"),
        draft: document.querySelector("#draft").value,
        sayError: text("#say-error"),
        // What was written as text and became something else.
        injected: document.querySelectorAll("#messages img, #messages script, #messages b, #people img").length,
        moving: document.getAnimations().length > 0,
        tooLarge: document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight,
    };
})()
